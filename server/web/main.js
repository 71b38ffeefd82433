// SPDX-License-Identifier: MIT
// Starts the page: signed in or not, theme, connection.

import * as api from "./api.js";
import * as files from "./files.js";
import * as options from "./options.js";
import * as queue from "./queue.js";
import * as viewer from "./viewer.js";

const byId = id => document.getElementById(id);
const THEMES = { auto: "Auto", light: "Light", dark: "Dark" };

function showTheme() {
    const name = THEMES[document.documentElement.dataset.theme] ?? THEMES.auto;
    byId("theme-name").textContent = name;
    byId("theme").setAttribute("aria-label", `Colours: ${name}`);
}

function nextTheme() {
    const names = Object.keys(THEMES);
    const theme = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
    document.documentElement.dataset.theme = theme;
    try {
        localStorage.setItem("theme", theme);
    } catch {
        // It holds until the page is left.
    }
    showTheme();
}

function showLocked() {
    byId("app").hidden = true;
    byId("locked").hidden = false;
    byId("machine").textContent = "";
}

function showBanner(text) {
    byId("banner").textContent = text;
    byId("banner").hidden = !text;
}

async function connect() {
    let status;
    try {
        status = await api.status();
    } catch (problem) {
        if (problem.status === 401) return;
        showBanner("The server does not answer. Trying again.");
        setTimeout(connect, 3000);
        return;
    }
    showBanner("");
    byId("locked").hidden = true;
    byId("app").hidden = false;
    byId("machine").textContent = `${status.version} · ${status.cpu.isa} · ${status.cpu.threads} threads`;
    queue.setLimits(status.limits);
    options.fillModels(await api.models());
    let lost = false;
    // No event tells of jobs that were removed elsewhere.
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && queue.refresh().catch(() => {}));
    api.events({
        onOpen: async () => {
            if (lost) showBanner("");
            lost = false;
            await queue.refresh().catch(() => {});
        },
        onEvent: queue.onEvent,
        onLost: () => {
            lost = true;
            showBanner("The connection to the server is lost. Trying again.");
        },
    });
}

showTheme();
byId("theme").addEventListener("click", nextTheme);
byId("locked-again").addEventListener("click", connect); // not a reload: chosen files stay
api.onLocked(showLocked);
options.begin();
queue.begin(viewer);
files.watch(queue.take);
connect();
