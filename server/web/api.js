// SPDX-License-Identifier: MIT
// The server's HTTP interface. Errors are thrown as Problem, with the fields of a problem document.

export class Problem extends Error {
    // retryAfter: seconds that the server asks to wait; 0: it does not.
    constructor({ status = 0, title = "", detail = "", retryAfter = 0 } = {}) {
        super(detail || title || `status ${status}`);
        Object.assign(this, { status, title, detail, retryAfter });
    }
}

const session = new EventTarget();

// Called whenever the server says that this browser has no valid session.
export function onLocked(listener) {
    session.addEventListener("locked", listener);
}

function problemOf(status, text, retryAfter) {
    if (status === 401) session.dispatchEvent(new Event("locked"));
    try {
        const { title, detail } = JSON.parse(text);
        return new Problem({ status, title, detail, retryAfter: Number(retryAfter) || 0 });
    } catch {
        return new Problem({ status });
    }
}

async function request(path, options) {
    let response;
    try {
        response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
    } catch (fault) {
        if (fault.name === "AbortError") throw fault;
        throw new Problem();
    }
    if (!response.ok) {
        const text = await response.text().catch(() => "");
        throw problemOf(response.status, text, response.headers.get("Retry-After"));
    }
    return response;
}

const json = async (path, options) => (await request(path, options)).json();

export const status = () => json("/v1/status");
export const models = async () => (await json("/v1/models")).models;
export const jobs = (limit, offset = 0) => json(`/v1/jobs?limit=${limit}&offset=${offset}`);
export const job = id => json(`/v1/jobs/${encodeURIComponent(id)}`);

export const cancel = id => json(`/v1/jobs/${encodeURIComponent(id)}/cancel`, { method: "POST" });

// Takes a job away with its files, running or not.
export async function remove(id) {
    try {
        await request(`/v1/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
    } catch (problem) {
        if (problem.status !== 404) throw problem; // gone is what was wanted
    }
}

export const picture = async (path, signal) => (await request(path, { signal })).blob();

// crypto.randomUUID() is missing where the page is not served from this machine or by TLS.
export function newKey() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("");
}

// Sends a file by XMLHttpRequest, because fetch() does not tell how much has gone out. Resolves to the JSON answer.
export function send(path, { file, fields = {}, key, signal, onProgress }) {
    return new Promise((resolve, reject) => {
        const body = new FormData();
        // Fields first: the server knows what is wanted before the file arrives.
        for (const [name, value] of Object.entries(fields)) body.append(name, value);
        if (file) body.append("file", file, file.name);
        const xhr = new XMLHttpRequest();
        xhr.open("POST", path);
        if (key) xhr.setRequestHeader("Idempotency-Key", key);
        xhr.upload.onprogress = event => onProgress?.(event.loaded, event.total);
        xhr.onload = () => {
            if (xhr.status < 200 || xhr.status > 299) {
                return reject(problemOf(xhr.status, xhr.responseText, xhr.getResponseHeader("Retry-After")));
            }
            try {
                resolve(JSON.parse(xhr.responseText));
            } catch {
                reject(new Problem({ status: xhr.status, title: "The server's answer is not understood" }));
            }
        };
        xhr.onerror = () => reject(new Problem());
        xhr.onabort = () => reject(new DOMException("cancelled", "AbortError"));
        signal?.addEventListener("abort", () => xhr.abort());
        xhr.send(body);
    });
}

// Events of all jobs. `onOpen` runs at every connect: what happened in between must be asked for.
export function events({ onOpen, onEvent, onLost }) {
    const source = new EventSource("/v1/events");
    source.onopen = onOpen;
    for (const name of ["progress", "done", "failed", "cancelled"]) {
        source.addEventListener(name, event => onEvent(name, JSON.parse(event.data)));
    }
    source.onerror = () => {
        onLost();
        // The browser connects anew by itself, except after an answer that was not a stream of events.
        if (source.readyState !== EventSource.CLOSED) return;
        setTimeout(async () => {
            try {
                await status();
            } catch (problem) {
                if (problem.status === 401) return;
            }
            events({ onOpen, onEvent, onLost });
        }, 3000);
    };
}
