// SPDX-License-Identifier: MIT
// Files from the choosers, from drops (folders as well) and from the clipboard.

const VIDEO_NAME = /\.(mp4|m4v|mkv|mov|webm|avi|mpe?g|m2ts|mts|ts|y4m|wmv|flv|3gp|ogv|vob|mxf)$/i;
const PHOTO_NAME = /\.(png|jpe?g|webp|tiff?|gif|avif|hei[cf]|jxl|jp2|bmp|ppm|pgm|pnm)$/i;

// "video", "image", or null for what is neither by its name; the server looks at what is in it.
export function kindOf(file) {
    if (PHOTO_NAME.test(file.name)) return "image";
    if (VIDEO_NAME.test(file.name)) return "video";
    if (file.type.startsWith("image/")) return "image";
    return file.type.startsWith("video/") ? "video" : null;
}

// A small picture of a frame near the start of a video, as a Blob; null where the browser cannot play the file.
export function frameOf(file) {
    const video = Object.assign(document.createElement("video"), { muted: true, preload: "auto" });
    const url = URL.createObjectURL(file);
    return new Promise(resolve => {
        const end = picture => {
            URL.revokeObjectURL(url);
            resolve(picture);
        };
        video.onloadeddata = () => (video.currentTime = Math.min(1, video.duration / 4 || 0));
        video.onerror = () => end(null);
        video.onseeked = () => {
            const canvas = document.createElement("canvas");
            canvas.height = 144;
            canvas.width = Math.max(1, Math.round((144 * video.videoWidth) / video.videoHeight));
            canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
            canvas.toBlob(end, "image/jpeg");
        };
        video.src = url;
    });
}

const fileOf = entry => new Promise((resolve, reject) => entry.file(resolve, reject));

async function* filesUnder(entry) {
    if (entry.isFile) {
        yield await fileOf(entry);
        return;
    }
    const reader = entry.createReader();
    for (;;) {
        // A reader gives a folder in portions; an empty one is the end.
        const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        if (!entries.length) return;
        for (const inner of entries) yield* filesUnder(inner);
    }
}

async function filesOf(transfer) {
    // Entries must be taken before the first await: the browser then empties the list.
    const entries = Array.from(transfer.items, item => item.kind === "file" && item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.some(entry => entry.isDirectory)) return Array.from(transfer.files);
    const files = [];
    for (const entry of entries) {
        for await (const file of filesUnder(entry)) files.push(file);
    }
    return files;
}

// Wires the page: `take(files)` gets every batch of files.
export function watch(take) {
    const byId = id => document.getElementById(id);
    for (const [button, input] of [["choose-files", "files"], ["choose-folder", "folder"]]) {
        byId(button).addEventListener("click", () => byId(input).click());
        byId(input).addEventListener("change", event => {
            take(Array.from(event.target.files));
            event.target.value = ""; // the same file can be chosen again
        });
    }

    const dragsFiles = event => event.dataTransfer?.types.includes("Files");
    let depth = 0; // enter and leave come for every element under the pointer
    const mark = () => document.body.classList.toggle("dragging", depth > 0);
    addEventListener("dragenter", event => {
        if (!dragsFiles(event)) return;
        depth++;
        mark();
    });
    addEventListener("dragleave", event => {
        if (!dragsFiles(event)) return;
        depth = Math.max(0, depth - 1);
        mark();
    });
    addEventListener("dragover", event => dragsFiles(event) && event.preventDefault());
    addEventListener("drop", async event => {
        if (!dragsFiles(event)) return;
        event.preventDefault();
        depth = 0;
        mark();
        take(await filesOf(event.dataTransfer));
    });
    addEventListener("paste", event => {
        const files = Array.from(event.clipboardData?.files ?? []);
        if (!files.length) return;
        event.preventDefault();
        take(files);
    });
}
