// Before the first paint, so that nothing flashes: the colours that were chosen
// last. Without a choice, the system's.
"use strict";

(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("weir-theme");
  } catch {
    // No storage here: the system's colours.
  }
  if (theme === "light" || theme === "dark") {
    document.documentElement.dataset.theme = theme;
  }
})();
