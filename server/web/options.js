// SPDX-License-Identifier: MIT
// The options form. Names are those of the command line; "image." and "video." say whom they are for.

const form = document.getElementById("options");
const summary = document.getElementById("options-summary");
const panel = document.getElementById("options-panel");
const STORED = "options";

function values() {
    const all = {};
    for (const field of form.elements) {
        if (!field.name || (field.type === "radio" && !field.checked)) continue;
        const value = field.type === "checkbox" ? (field.checked ? "true" : "") : field.value;
        if (value !== "") all[field.name] = value;
    }
    return all;
}

function fill(stored) {
    for (const field of form.elements) {
        const value = stored[field.name];
        if (!field.name || value === undefined) continue;
        if (field.type === "checkbox") field.checked = value === "true";
        else if (field.type === "radio") field.checked = field.value === value;
        else field.value = value;
    }
}

// A closed group hides its fields: it opens when one of them needs to be seen.
function openWhere(matters) {
    for (const group of form.querySelectorAll("details")) {
        if (Array.from(group.querySelectorAll("[name]")).some(matters)) group.open = true;
    }
}

// The options of a job of this kind, without those that are left to the server. Null: a field is wrong, and shown.
export function optionsFor(kind) {
    if (!form.checkValidity()) {
        panel.open = true;
        openWhere(field => !field.validity.valid);
        form.reportValidity();
        return null;
    }
    const chosen = {};
    for (const [name, value] of Object.entries(values())) {
        const [first, second] = name.split(".");
        if (!second) chosen[first] = value;
        else if (first === kind) chosen[second] = value;
    }
    return chosen;
}

// A job's options in a few words, for its card.
export function optionsText(options) {
    const words = [`${options.scale ?? 2}×`];
    for (const name of ["model", "precision", "format", "codec", "preset"]) {
        if (options[name] && options[name] !== "auto") words.push(options[name]);
    }
    if (options.crf != null && options.crf !== "" && Number(options.crf) >= 0) words.push(`crf ${options.crf}`);
    if (options.start || options.to) words.push(`${options.start || "0:00"} to ${options.to || "the end"}`);
    if (options["max-height"]) words.push(`at most ${options["max-height"]} high`);
    if (options.deinterlace && options.deinterlace !== "auto") words.push(`deinterlace: ${options.deinterlace}`);
    if (Number(options.quality) > 0) words.push(`quality ${options.quality}`);
    if (String(options.lossless) === "true") words.push("lossless");
    if (String(options.strip) === "true") words.push("no metadata");
    return words.join(" · ");
}

export function fillModels(models) {
    const select = form.elements.model;
    const chosen = select.value;
    select.replaceChildren(select.options[0]);
    for (const model of models) select.add(new Option(model.name, model.name));
    about.models = models;
    select.value = models.some(model => model.name === (about.wanted ?? chosen)) ? (about.wanted ?? chosen) : "";
    changed();
}

// `wanted`: the stored choice, until the list of models is there.
const about = { models: [], wanted: undefined };

const sizeIsOff = () => form.querySelector("input[name=scale]:checked:disabled") !== null;

function changed() {
    const model = about.models.find(each => each.name === form.elements.model.value);
    const text = model ? model.description : "photos and videos each get their own";
    // A model that enlarges four times has no other size to offer.
    for (const size of form.elements.scale) {
        size.disabled = model !== undefined && Number(size.value) < model.scale;
        if (model && Number(size.value) === model.scale && sizeIsOff()) size.checked = true;
    }
    document.getElementById("model-about").textContent = `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
    summary.textContent = optionsText(values());
}

function store() {
    try {
        localStorage.setItem(STORED, JSON.stringify(values()));
    } catch {
        // Nothing is stored: the next visit starts with the defaults.
    }
}

export function begin() {
    let stored = {};
    try {
        stored = JSON.parse(localStorage.getItem(STORED)) ?? {};
    } catch {
        // Unreadable: the defaults.
    }
    fill(stored);
    openWhere(field => stored[field.name]);
    about.wanted = stored.model;
    form.addEventListener("input", () => {
        about.wanted = undefined;
        changed();
        store();
    });
    form.addEventListener("submit", event => event.preventDefault());
    document.getElementById("options-reset").addEventListener("click", () => {
        form.reset();
        about.wanted = undefined;
        changed();
        store();
    });
    // On narrow screens the form would push the files out of sight.
    if (matchMedia("(max-width: 860px)").matches) panel.open = false;
    changed();
}
