// SPDX-License-Identifier: MIT
// One file's card in a list: what it is, how far it is, what can be done with it.

import { picture } from "./api.js";
import { optionsText } from "./options.js";
import { bytes, count, duration, problemText, rate } from "./words.js";

const template = document.getElementById("job-template");

export const isOver = item => Boolean(item.job) && !["queued", "running"].includes(item.job.state);

function actionsOf(item) {
    if (item.phase === "ready") return item.kind === "video" ? ["preview", "remove"] : ["remove"];
    if (item.phase === "refused") return item.file ? ["retry", "remove"] : ["remove"];
    if (item.phase !== "job") return ["cancel"];
    const state = item.job.state;
    if (state === "done") return ["compare", "download", "remove"];
    return state === "failed" || state === "cancelled" ? ["retry", "remove"] : ["cancel"];
}

function facts(item) {
    const words = [bytes(item.bytes)];
    const result = item.job?.result;
    if (result) {
        words[0] += ` → ${bytes(result.bytes)}`;
        if (result.width_px) words.push(`${result.width_px} × ${result.height_px}`);
        if (item.kind === "video" && result.frames) words.push(count(result.frames, "frame", "frames"));
    }
    if (item.options) words.push(optionsText(item.options));
    return words.join(" · ");
}

function runningText({ frame, frames, fps, eta_s, percent, unit }) {
    const words = [];
    if (percent != null) words.push(`${Math.floor(percent)} %`);
    if (unit === "frames" && frame) words.push(frames ? `frame ${frame} of ${frames}` : count(frame, "frame", "frames"));
    if (unit === "frames" && fps > 0) words.push(`${rate(fps)} frames/s`);
    if (eta_s != null && percent !== 100) words.push(`${duration(eta_s)} left`);
    return words.join(" · ") || "Starting";
}

// What the status line says, and the bar's percentage: null for "under way", undefined for no bar.
function progressOf(item) {
    if (item.busy) return [item.busy, null];
    if (item.phase === "ready" || item.phase === "refused") return ["", undefined];
    if (item.phase === "waiting") return ["Waiting for its upload", undefined];
    if (item.phase === "uploading") {
        const { loaded, total } = item.upload;
        const percent = total ? (100 * loaded) / total : 0;
        return [percent < 100 ? `Uploading · ${Math.floor(percent)} %` : "Uploaded, waiting for the server", percent];
    }
    const { state, progress, started, finished } = item.job;
    if (state === "queued") return ["Waiting for its turn", undefined];
    if (state === "running") return [runningText(progress), progress.percent];
    if (state === "cancelled") return ["Cancelled", undefined];
    if (state === "failed") return ["", undefined];
    const seconds = started && finished ? (Date.parse(finished) - Date.parse(started)) / 1000 : 0;
    return [seconds ? `Done in ${duration(seconds)}` : "Done", undefined];
}

function showPicture(card, item) {
    const image = card.querySelector("img");
    const show = source => {
        if (image.dataset.source === source) return;
        image.dataset.source = source;
        image.onerror = () => (image.hidden = true);
        image.hidden = false;
        image.src = source;
    };
    if (item.pictureUrl) show(item.pictureUrl);
    else if (item.phase === "job" && item.kind === "image") show(`/v1/jobs/${encodeURIComponent(item.job.id)}/input`);
    else if (item.phase === "job" && item.job.state === "done") whenSeen(card, () => fetchPicture(item, show));
}

// A video's picture costs the server a process: one is made at a time, and only of cards that are looked at.
let lastPicture = Promise.resolve();

function fetchPicture(item, show) {
    lastPicture = lastPicture.then(async () => {
        try {
            const blob = await picture(`/v1/jobs/${encodeURIComponent(item.job.id)}/preview?t=0&side=before`);
            item.pictureUrl = URL.createObjectURL(blob);
            show(item.pictureUrl);
        } catch {
            // The icon stays.
        }
    });
}

const seen = new WeakMap();
const observer = new IntersectionObserver(entries => {
    for (const entry of entries.filter(each => each.isIntersecting)) {
        observer.unobserve(entry.target);
        seen.get(entry.target)();
    }
});

function whenSeen(card, action) {
    if (seen.has(card)) return;
    seen.set(card, action);
    observer.observe(card);
}

function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
    element.hidden = !text;
}

export function makeCard(item, act) {
    const card = template.content.firstElementChild.cloneNode(true);
    card.querySelector(".job-name").textContent = item.name;
    card.querySelector(".job-name").title = item.name;
    card.querySelector(".job-picture use").setAttribute("href", item.kind === "video" ? "#icon-video" : "#icon-photo");
    card.querySelector("progress").setAttribute("aria-label", `Progress of ${item.name}`);
    for (const button of card.querySelectorAll("[data-action]")) {
        const action = button.dataset.action;
        // Otherwise ten buttons in a list would all be called the same.
        button.setAttribute("aria-label", `${button.textContent.trim() || "Remove"}: ${item.name}`);
        if (!button.textContent.trim()) button.title = "Remove";
        if (action !== "download") button.addEventListener("click", () => act(action, item));
    }
    return card;
}

export function updateCard(card, item) {
    const actions = actionsOf(item);
    for (const button of card.querySelectorAll("[data-action]")) {
        button.hidden = !actions.includes(button.dataset.action);
        if (button.tagName === "BUTTON") button.disabled = Boolean(item.busy);
    }
    const result = item.job?.result;
    if (result) {
        const link = card.querySelector("a");
        link.href = result.url;
        link.download = result.name;
    }
    setText(card.querySelector(".job-facts"), facts(item));
    const [text, percent] = progressOf(item);
    setText(card.querySelector(".job-status"), text);
    const bar = card.querySelector("progress");
    bar.hidden = percent === undefined;
    if (percent == null) bar.removeAttribute("value");
    else bar.value = percent;
    const problem = item.problem ?? item.job?.error;
    setText(card.querySelector(".job-error"), problem ? problemText(problem) : "");
    const notes = card.querySelector(".job-notes");
    const lines = item.job?.notes ?? [];
    if (notes.children.length !== lines.length) {
        notes.replaceChildren(...lines.map(line => Object.assign(document.createElement("li"), { textContent: line })));
    }
    notes.hidden = !lines.length;
    card.dataset.state = item.phase === "job" ? item.job.state : item.phase;
    showPicture(card, item);
}
