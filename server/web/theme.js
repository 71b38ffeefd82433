// SPDX-License-Identifier: MIT
// A classic script in the head: the chosen theme must be there before the first paint.
try {
    document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";
} catch {
    // A browser that stores nothing follows the system.
}
