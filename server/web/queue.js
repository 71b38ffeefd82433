// SPDX-License-Identifier: MIT
// The files and jobs of the page, and their lists. An item is a file that is not a job yet, a job, or both:
//   phase "ready"      chosen, not started           "waiting", "uploading"  on its way to the server
//         "refused"    the server did not take it    "job"                   `job` is its document
// One file is uploaded at a time: a browser has six connections to a server, and two uploads are not faster than one.

import * as api from "./api.js";
import { isOver, makeCard, updateCard } from "./card.js";
import { frameOf, kindOf } from "./files.js";
import { listOf, place } from "./lists.js";
import { optionsFor } from "./options.js";
import { count } from "./words.js";

const PAGE = 100; // jobs asked for at once

const byId = id => document.getElementById(id);
const items = new Set();
const byJob = new Map();
const viewed = { show: null };
let listed = 0; // of the server's jobs, how many have been asked for
let uploading = false;
let mostQueued = Infinity; // jobs that the server lets wait

function announce(text) {
    byId("announcer").textContent = text;
}

function show(item) {
    if (!item.card) {
        item.card = makeCard(item, act);
        item.card.item = item;
    }
    updateCard(item.card, item);
    place(item);
    showLists();
}

function drop(item) {
    const neighbour = item.card.nextElementSibling ?? item.card.previousElementSibling;
    const hadFocus = item.card.contains(document.activeElement);
    items.delete(item);
    if (item.job) byJob.delete(item.job.id);
    if (item.pictureUrl) URL.revokeObjectURL(item.pictureUrl);
    item.card.remove();
    showLists();
    if (hadFocus) (neighbour?.querySelector("[data-action]:not([hidden])") ?? byId("choose-files")).focus();
}

function showLists() {
    const lengths = {};
    for (const name of ["ready", "active", "finished"]) {
        lengths[name] = byId(`${name}-jobs`).children.length;
        byId(name).hidden = !lengths[name];
    }
    byId("start").textContent = `Upscale ${count(lengths.ready, "file", "files")}`;
    const running = [...items].find(item => item.job?.state === "running");
    const percent = running?.job.progress.percent;
    document.title = percent == null ? (running ? "Working · PiperSR" : "PiperSR") : `${Math.floor(percent)} % · PiperSR`;
}

// Chosen files

export function take(files) {
    const refused = [];
    for (const file of files) {
        const kind = kindOf(file);
        if (!kind || !file.size) {
            refused.push(file.name);
            continue;
        }
        const item = { phase: "ready", file, kind, name: file.name, bytes: file.size, since: performance.timeOrigin + performance.now() };
        items.add(item);
        if (kind === "image") item.pictureUrl = URL.createObjectURL(file);
        else takeFrame(item);
        show(item);
    }
    const taken = files.length - refused.length;
    const words = taken ? [`${count(taken, "file is", "files are")} ready.`] : [];
    if (refused.length) {
        const names = refused.length > 3 ? count(refused.length, "file", "files") : refused.join(", ");
        words.push(`Left out, because neither photo nor video, or empty: ${names}.`);
    }
    byId("banner").textContent = refused.length ? words.at(-1) : "";
    byId("banner").hidden = !refused.length;
    announce(words.join(" "));
}

async function takeFrame(item) {
    const frame = await frameOf(item.file);
    if (!frame || !items.has(item)) return;
    item.pictureUrl = URL.createObjectURL(frame);
    show(item);
}

// To the server

function start(item, options) {
    item.phase = "waiting";
    item.options = options;
    item.key = api.newKey();
    item.problem = null;
    show(item);
}

const sleep = seconds => new Promise(resolve => setTimeout(resolve, 1000 * seconds));

async function uploadWaiting() {
    if (uploading) return;
    uploading = true;
    for (;;) {
        const item = [...items].filter(each => each.phase === "waiting").sort((a, b) => a.since - b.since)[0];
        if (!item) break;
        // A large file is not sent only to hear that the queue is full.
        if ([...byJob.values()].filter(each => each.job.state === "queued").length >= mostQueued) await sleep(2);
        else await upload(item);
    }
    uploading = false;
}

export function setLimits(limits) {
    mostQueued = limits.queued ?? Infinity;
}

async function upload(item) {
    item.phase = "uploading";
    item.upload = { loaded: 0, total: item.bytes };
    item.abort = new AbortController();
    show(item);
    const path = `/v1/${item.kind}/upscale`;
    try {
        const job = await api.send(item.uploadId ? `${path}?upload=${encodeURIComponent(item.uploadId)}` : path, {
            file: item.uploadId ? null : item.file,
            fields: item.options,
            key: item.key,
            signal: item.abort.signal,
            onProgress: (loaded, total) => {
                item.upload = { loaded, total };
                show(item);
            },
        });
        item.uploadId = null; // the job has it now
        const twin = byJob.get(job.id); // its first event may have come before this answer
        if (twin && twin !== item) drop(twin);
        takeJob(job, item);
    } catch (fault) {
        if (!items.has(item)) return;
        if (fault.name === "AbortError") {
            item.phase = "ready";
            announce(`Stopped: ${item.name}`);
        } else if ([429, 503].includes(fault.status) && fault.retryAfter) {
            item.phase = "waiting"; // as long as it takes: somebody who drops 500 photos wants all of them
            show(item);
            await sleep(Math.min(fault.retryAfter, 10));
            return;
        } else {
            if (fault.status === 404) item.uploadId = null; // kept for a preview, and gone since
            item.phase = "refused";
            item.problem = fault;
            announce(`Not taken: ${item.name}`);
        }
        show(item);
    }
}

// One moment of a video that is not a job: the file goes to the server once, for all moments and for the job.
async function momentPaths(item, seconds, signal, say) {
    const options = optionsFor(item.kind);
    if (!options) throw new api.Problem({ title: "One of the options is not right: it is marked in the form" });
    if (!item.uploadId) {
        const sent = await api.send("/v1/uploads", {
            file: item.file,
            signal,
            onProgress: (loaded, total) => say(`Uploading · ${Math.floor((100 * loaded) / total)} %`),
        });
        item.uploadId = sent.id;
    }
    say("Upscaling one frame");
    const query = new URLSearchParams({ t: seconds });
    for (const name of ["model", "precision", "scale"]) if (options[name]) query.set(name, options[name]);
    return ["before", "after"].map(side => `/v1/uploads/${encodeURIComponent(item.uploadId)}/preview?${query}&side=${side}`);
}

// Jobs

function takeJob(job, item = byJob.get(job.id)) {
    if (!item) {
        item = { kind: job.kind, name: job.input.name, bytes: job.input.bytes };
        items.add(item);
    }
    Object.assign(item, { phase: "job", job, options: item.options ?? job.options, problem: null, busy: null });
    item.since = Date.parse((isOver(item) && job.finished) || job.created);
    byJob.set(job.id, item);
    show(item);
    return item;
}

// All that the server has, after a connect: jobs that are gone are taken off the lists.
export async function refresh() {
    const { jobs, total } = await api.jobs(Math.max(PAGE, listed));
    listed = Math.max(PAGE, listed);
    const present = new Set(jobs.map(job => job.id));
    if (total <= listed) {
        for (const [id, item] of [...byJob]) if (!present.has(id)) drop(item);
    }
    jobs.forEach(job => takeJob(job));
    byId("older").hidden = total <= listed;
}

async function showOlder() {
    const { jobs, total } = await api.jobs(PAGE, listed);
    listed += PAGE;
    jobs.forEach(job => takeJob(job));
    byId("older").hidden = total <= listed;
}

export async function onEvent(name, data) {
    let item = byJob.get(data.id);
    if (data.job) {
        item = takeJob(data.job);
        announce(`${name === "done" ? "Done" : "Failed"}: ${item.name}`);
        return;
    }
    if (!item || name === "cancelled" || data.state !== item.job.state) {
        try {
            takeJob(await api.job(data.id)); // one that another client started, or a state that says more than its event
        } catch {
            // Removed in the meantime.
        }
        return;
    }
    if (isOver(item)) return; // events may arrive behind the answer to a request
    const { frame, frames, fps, eta_s, percent } = data;
    Object.assign(item.job.progress, { frame, frames, fps, eta_s, percent });
    show(item);
}

async function during(item, words, work) {
    item.busy = words;
    show(item);
    try {
        await work();
    } catch (problem) {
        item.problem = problem;
    } finally {
        item.busy = null;
        if (items.has(item)) show(item);
    }
}

// A failed or cancelled job once more, with its own options: the server still has the file.
async function retry(item) {
    if (item.phase === "refused") {
        start(item, optionsFor(item.kind) ?? item.options);
        uploadWaiting();
        return;
    }
    await during(item, "Starting again", async () => {
        const old = item.job;
        const fields = Object.fromEntries(Object.entries(old.options).filter(([, value]) => value != null));
        const job = await api.send(`/v1/${item.kind}/upscale?job=${encodeURIComponent(old.id)}`, { fields, key: api.newKey() });
        await api.remove(old.id);
        byJob.delete(old.id);
        const twin = byJob.get(job.id);
        if (twin) drop(twin);
        takeJob(job, item);
    });
}

async function cancel(item) {
    if (item.phase === "waiting") {
        item.phase = "ready";
        show(item);
    } else if (item.phase === "uploading") {
        item.abort.abort();
    } else {
        await during(item, "Stopping", async () => takeJob(await api.cancel(item.job.id)));
        if (item.job.state === "cancelled") announce(`Cancelled: ${item.name}`);
    }
}

async function remove(item) {
    if (item.job) await during(item, "Removing", () => api.remove(item.job.id));
    if (!item.problem || !item.job) drop(item);
}

function showMoment(item) {
    viewed.show.showVideo(item.name, {
        source: item.file,
        pathsAt: (seconds, signal, say) => momentPaths(item, seconds, signal, say),
        goLabel: "Upscale this moment",
    });
}

function showResult(item) {
    if (item.kind === "image") return viewed.show.showPhoto(item.job);
    const base = `/v1/jobs/${encodeURIComponent(item.job.id)}`;
    viewed.show.showVideo(item.name, {
        source: `${base}/input`,
        pathsAt: seconds => ["before", "after"].map(side => `${base}/preview?${new URLSearchParams({ t: seconds, side })}`),
        result: item.job.result,
        goLabel: "Show this moment",
    });
}

function act(action, item) {
    const actions = { preview: showMoment, compare: showResult, retry, cancel, remove };
    return actions[action](item);
}

export function begin(viewer) {
    viewed.show = viewer;
    byId("start").addEventListener("click", () => {
        for (const item of [...items].filter(each => each.phase === "ready")) {
            const options = optionsFor(item.kind);
            if (!options) return;
            start(item, options);
        }
        uploadWaiting();
    });
    const clear = list => () => {
        for (const item of [...items].filter(each => listOf(each) === list)) remove(item);
    };
    byId("ready-clear").addEventListener("click", clear("ready"));
    byId("finished-clear").addEventListener("click", clear("finished"));
    byId("older").addEventListener("click", showOlder);
    addEventListener("beforeunload", event => {
        if ([...items].some(item => ["waiting", "uploading"].includes(item.phase))) event.preventDefault();
    });
}
