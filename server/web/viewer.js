// SPDX-License-Identifier: MIT
// The dialog with before and after: of a finished photo, and of one moment of a video, finished or not yet begun.

import * as api from "./api.js";
import { Compare } from "./compare.js";
import { problemText } from "./words.js";

const byId = id => document.getElementById(id);
const dialog = byId("viewer");
const video = byId("viewer-video");
const moment = { form: byId("moment"), range: byId("moment-range"), seconds: byId("moment-seconds"), go: byId("moment-go") };

const compare = new Compare({
    stage: byId("stage"),
    before: byId("layer-before").firstElementChild,
    after: byId("layer-after").firstElementChild,
    beforeLayer: byId("layer-before"),
    divider: byId("divider"),
    level: byId("zoom-level"),
});

// What the open dialog shows; null when it is closed.
let open = null;

function say(text) {
    const message = byId("stage-message");
    message.textContent = text;
    message.hidden = !text;
}

function releaseUrls(showing) {
    showing.urls.forEach(url => URL.revokeObjectURL(url));
    showing.urls = [];
}

// A server that makes other previews says when to come again.
async function patiently(path, signal) {
    for (let tries = 0; ; tries++) {
        try {
            return await api.picture(path, signal);
        } catch (problem) {
            if (problem.status !== 503 || !problem.retryAfter || tries === 30) throw problem;
            await new Promise(resolve => setTimeout(resolve, 1000 * Math.min(problem.retryAfter, 2)));
            signal.throwIfAborted();
        }
    }
}

// Both pictures are fetched first: a failure then comes with its problem document, not as a broken image.
async function load(showing, paths, keepView) {
    showing.abort?.abort();
    const abort = (showing.abort = new AbortController());
    try {
        // One after the other: a child makes both sides of a moment at once, and the second is then there.
        const blobs = [];
        for (const path of await paths(abort.signal)) blobs.push(await patiently(path, abort.signal));
        if (open !== showing || abort.signal.aborted) return;
        releaseUrls(showing);
        showing.urls = blobs.map(blob => URL.createObjectURL(blob));
        await compare.show(...showing.urls, keepView);
        if (open !== showing) return;
        video.hidden = true;
        say("");
        if (!showing.moments) byId("divider").focus(); // it takes no focus before it is shown
    } catch (fault) {
        if (open !== showing || fault.name === "AbortError") return;
        compare.clear();
        if (fault instanceof api.Problem) say(problemText(fault));
        else say("This browser cannot show a picture of this format. Download it to look at it.");
    }
}

function begin(title, showing) {
    open = { urls: [], ...showing };
    compare.clear();
    say("");
    byId("viewer-title").textContent = title;
    const link = byId("viewer-download");
    link.hidden = !showing.result;
    if (showing.result) {
        link.href = showing.result.url;
        link.download = showing.result.name;
    }
    moment.form.hidden = !showing.moments;
    video.hidden = true;
    dialog.showModal();
    return open;
}

export function showPhoto(job) {
    const showing = begin(job.input.name, { result: job.result });
    say("Loading");
    byId("stage").focus();
    load(showing, () => [`/v1/jobs/${encodeURIComponent(job.id)}/input`, job.result.url]);
}

function seekTo(seconds) {
    moment.seconds.value = Math.round(seconds * 1000) / 1000;
    if (seconds <= Number(moment.range.max)) moment.range.value = seconds;
}

function scrub(seconds) {
    if (!open?.playable) return;
    open.abort?.abort();
    compare.clear();
    say("");
    video.hidden = false;
    video.currentTime = seconds;
}

// `source`: the whole video, a File or a URL, for this browser's own player. `pathsAt(seconds, signal, say)`: the URLs of the
// picture before and after, in an array, or a promise of it.
export function showVideo(title, { source, pathsAt, result, goLabel }) {
    // A chosen file has no URL: one is made, and given back when the dialog closes.
    const local = source instanceof File;
    const url = local ? URL.createObjectURL(source) : source;
    const showing = begin(title, { moments: true, pathsAt, result, playable: false, localUrl: local ? url : null });
    moment.go.textContent = goLabel;
    moment.range.max = 0;
    moment.range.disabled = true;
    seekTo(0);
    say("Loading");
    video.onloadedmetadata = () => {
        if (open !== showing) return;
        if (Number.isFinite(video.duration) && video.duration > 0) {
            // The very end is behind the last frame.
            moment.range.max = Math.max(0, video.duration - 0.05);
            moment.range.disabled = false;
        }
        showing.playable = video.videoWidth > 0;
        if (!result && showing.playable && !compare.shown && !showing.abort) {
            video.hidden = false;
            say("");
        }
    };
    video.onerror = () => {
        if (open === showing && !result && !showing.abort) {
            say("This browser cannot play the file, but the server can read it: type a time and upscale that moment.");
        }
    };
    video.src = url;
    if (result) goToMoment();
    byId("stage").focus(); // not a field of numbers: phones would put their keyboard over it
}

function goToMoment() {
    const seconds = Number(moment.seconds.value) || 0;
    const showing = open;
    if (!showing?.moments) return;
    const keepView = showing.seen === true;
    showing.seen = true;
    say(showing.result ? "Fetching this moment" : "Upscaling one frame");
    load(showing, signal => showing.pathsAt(seconds, signal, text => open === showing && say(text)), keepView);
}

moment.form.addEventListener("submit", event => {
    event.preventDefault();
    goToMoment();
});
moment.range.addEventListener("input", () => {
    seekTo(Number(moment.range.value));
    scrub(Number(moment.range.value));
});
// Keys change the slider in steps, each of which would be a process of the server's: the last one counts.
let settling;
moment.range.addEventListener("change", () => {
    clearTimeout(settling);
    settling = setTimeout(() => open?.result && goToMoment(), 300);
});
moment.seconds.addEventListener("input", () => {
    seekTo(Number(moment.seconds.value) || 0);
    scrub(Number(moment.seconds.value) || 0);
});

byId("zoom-in").addEventListener("click", () => compare.zoomBy(2));
byId("zoom-out").addEventListener("click", () => compare.zoomBy(0.5));
byId("zoom-fit").addEventListener("click", () => compare.fit());
byId("zoom-exact").addEventListener("click", () => compare.exact());
byId("smooth").addEventListener("change", event => (compare.smooth = event.target.checked));
byId("viewer-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
    open?.abort?.abort();
    compare.clear();
    video.removeAttribute("src");
    video.load(); // lets go of the file
    if (!open) return;
    releaseUrls(open);
    if (open.localUrl) URL.revokeObjectURL(open.localUrl);
    open = null;
});
