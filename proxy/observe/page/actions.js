// What changes something asks first.

import {byId, setText} from "./dom.js";

// Another site that shows this page in a frame must not lead a click here.
const framed = window.top !== window.self;

let busy = false;  // a request is under way: its end is to be seen

// (Of two Escapes in a row a browser asks `cancel` only about the first.)
function stayWhileBusy(event) {
  if (busy && (event.type === "cancel" || event.key === "Escape")) event.preventDefault();
}
byId("dialog").addEventListener("cancel", stayWhileBusy);
document.addEventListener("keydown", stayWhileBusy);

// Closes an open question, which is about what is not there any more.
export function dismiss() {
  if (byId("dialog").open) byId("dialog").close();
}

// Asks, and posts when told to. Returns whether the server agreed.
//   question: {title, text, yes, path}
export function askAndPost(question) {
  const dialog = byId("dialog");
  const yes = byId("dialog-yes");
  const no = byId("dialog-no");
  const error = byId("dialog-error");
  setText(byId("dialog-title"), question.title);
  setText(byId("dialog-text"), question.text);
  setText(yes, question.yes);
  error.hidden = !framed;
  setText(error, framed ? "Not from inside another page: open this one by itself." : "");
  yes.disabled = framed;
  return new Promise((resolve) => {
    let agreed = false;
    let over = false;
    yes.onclick = async () => {
      busy = yes.disabled = no.disabled = true;
      error.hidden = true;
      const problem = await post(question.path);
      busy = yes.disabled = no.disabled = false;
      if (over) return;
      agreed = problem === null;
      if (agreed) {
        dialog.close();
      } else {
        setText(error, problem);
        error.hidden = false;
        no.focus();
      }
    };
    no.onclick = () => dialog.close();
    dialog.onclose = () => {
      over = true;
      resolve(agreed);
    };
    dialog.showModal();
    no.focus();
  });
}

// Null, or what went wrong, in words.
async function post(path) {
  try {
    const response = await fetch(path, {method: "POST", signal: AbortSignal.timeout(5000)});
    if (response.ok) return null;
    const text = await response.text();
    try {
      return JSON.parse(text).error ?? text;
    } catch {
      return text.trim() || `weir says ${response.status}`;
    }
  } catch {
    return "No answer from weir.";
  }
}
