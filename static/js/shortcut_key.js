// Returns the pressed key where shortcuts apply: not in a field, while composing, or with ctrl.

const FIELDS = "input:not([type=checkbox]), textarea, select, [contenteditable]";

export function pressed(event) {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return "";
  if (event.target instanceof Element && event.target.closest(FIELDS)) return "";
  // With a Korean layout the key "s" yields "ㄴ", so its position counts; with Dvorak the letter does.
  if (/^\p{L}$/u.test(event.key) && !/^[a-z]$/i.test(event.key)) return event.code.replace("Key", "").toLowerCase();
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}
