// Which key was pressed, where a key may mean something: never in a field, while a syllable is composed, or with ctrl.

const FIELDS = "input:not([type=checkbox]), textarea, select, [contenteditable]";

export function pressed(event) {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return "";
  if (event.target instanceof Element && event.target.closest(FIELDS)) return "";
  // With a Korean keyboard the key of "s" says "ㄴ"; with Dvorak it stands elsewhere, and what it says counts.
  if (/^\p{L}$/u.test(event.key) && !/^[a-z]$/i.test(event.key)) return event.code.replace("Key", "").toLowerCase();
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}
