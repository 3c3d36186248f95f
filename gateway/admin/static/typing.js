// Whether keys belong to a field rather than to the page; every file of keys asks here first.

const FIELDS = "input:not([type=checkbox]), select, textarea, [contenteditable]";

export const typing = (element) => element?.matches(FIELDS) ?? false;

// A key with Ctrl, Alt or Meta is the browser's, one being composed is a letter's, and in a dialog all are the dialog's.
export const ours = (event) =>
  !(event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target) || document.querySelector("dialog[open]"));
