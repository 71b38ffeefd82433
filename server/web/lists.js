// SPDX-License-Identifier: MIT
// Which list an item's card is in, and where in it.

import { isOver } from "./card.js";

export function listOf(item) {
    if (item.phase === "ready") return "ready";
    return item.phase === "refused" || isOver(item) ? "finished" : "active";
}

// The queue in the order of its work; what is finished with the newest on top.
function orderOf(item) {
    const phase = { uploading: 1, waiting: 3 }[item.phase];
    if (listOf(item) === "active") return phase ?? (item.job.state === "running" ? 0 : 2);
    return 0;
}

function isBefore(a, b) {
    if (orderOf(a) !== orderOf(b)) return orderOf(a) < orderOf(b);
    return listOf(a) === "finished" ? a.since > b.since : a.since < b.since;
}

// Puts the item's card where it belongs, and leaves it alone if it is there: a moved element loses the focus.
export function place(item) {
    const list = document.getElementById(`${listOf(item)}-jobs`);
    const others = Array.from(list.children).filter(card => card !== item.card);
    const next = others.find(card => isBefore(item, card.item)) ?? null;
    if (item.card.parentElement === list && item.card.nextElementSibling === next) return;
    const focused = item.card.contains(document.activeElement) ? document.activeElement : null;
    list.insertBefore(item.card, next);
    if (!focused) return;
    if (!focused.hidden) focused.focus();
    if (document.activeElement !== focused) item.card.querySelector("[data-action]:not([hidden])")?.focus();
}
