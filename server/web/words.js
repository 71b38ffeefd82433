// SPDX-License-Identifier: MIT
// Numbers and errors in words.

const number = (value, digits = 0) => value.toLocaleString("en", { maximumFractionDigits: digits });

export function bytes(size) {
    const units = ["bytes", "kB", "MB", "GB", "TB"];
    let unit = 0;
    while (size >= 1000 && unit < units.length - 1) {
        size /= 1000;
        unit++;
    }
    return `${number(size, unit > 1 && size < 100 ? 1 : 0)} ${units[unit]}`;
}

export function duration(seconds) {
    if (seconds < 1) return "less than a second";
    if (seconds < 90) return `${Math.round(seconds)} s`;
    if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
    const minutes = Math.round(seconds / 60);
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function count(n, one, many) {
    return `${number(n)} ${n === 1 ? one : many}`;
}

export function rate(perSecond) {
    return number(perSecond, perSecond < 10 ? 1 : 0);
}

const HEADLINES = {
    0: "The server does not answer.",
    401: "This browser is no longer signed in.",
    404: "The server no longer has this.",
    409: "The same request is still being answered.",
    413: "The server takes no file as large as this one.",
    415: "This is not a photo or a video that can be read here.",
    429: "Too many requests at once. Wait a moment and try again.",
    503: "The server is full at the moment. Try again later.",
    507: "The server's disk is full.",
};

// What went wrong, for people: the server's own sentence where it has one, which also names the limit.
export function problemText(problem) {
    const headline = HEADLINES[problem.status];
    const detail = problem.detail || "";
    const text = detail || headline || problem.title || "Something went wrong.";
    // A file's name at the front stays as it is.
    const start = /^[a-z]+[ ,:]/.test(text) ? text.charAt(0).toUpperCase() : text.charAt(0);
    const sentence = start + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
    return headline && detail && problem.status !== 404 ? `${headline} ${sentence}` : sentence;
}
