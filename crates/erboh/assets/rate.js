// The form's only script: while a rating is on its way, the button cannot be pressed again. The
// form works without it, since a rating that arrives twice is counted once.
"use strict";

const form = document.getElementById("rate");
const button = form.querySelector("button");

form.addEventListener("submit", () => { button.disabled = true; });
// Whoever comes back to this page finds it as they left it, with the button as it was then.
addEventListener("pageshow", () => { button.disabled = false; });
