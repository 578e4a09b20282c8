// The contents of a drop or paste: words, files, or pictures with only a URL.

const OF_OURS = [
  [/\/images\/([-0-9a-f]{36})\//i, "like"],
  [/\/search\/picture\/([-0-9a-f]{36})\.webp$/i, "picture"],
];

// Reads everything synchronously: after the event the data are gone. Words take precedence: Word and Excel add a
// picture of the copied text.
export function readGiven(data) {
  // Not as a document, whose inline styles would violate our CSP.
  const page = document.createElement("template");
  page.innerHTML = data.getData("text/html");
  for (const unseen of page.content.querySelectorAll("style, script, title")) unseen.remove();
  const sources = [...page.content.querySelectorAll("img")].map((picture) => picture.getAttribute("src") || firstOf(picture.srcset));
  const links = data.getData("text/uri-list").split(/\r?\n/);
  const addresses = [...sources, ...links].map((one) => one.trim()).filter((one) => /^[a-z][a-z0-9+.-]*:/i.test(one));
  const folders = entriesOf(data).filter((entry) => entry.isDirectory);
  const files = [...data.files].filter((file) => !folders.some((folder) => folder.name === file.name));
  const plain = data.getData("text/plain").trim();
  const words = plain ? !names(plain, [...files, ...folders], addresses) && plain : page.content.textContent.trim();
  return { files, folders, addresses, hasText: plain !== "", words: words || "" };
}

function firstOf(srcset) {
  return srcset.trim().split(/[\s,]/)[0];
}

function entriesOf(data) {
  return [...data.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
}

// File managers add the names or paths of files as text, also where the browser may not read the files; browsers the URLs
// of dragged pictures.
function names(text, files, addresses) {
  const last = (line) => line.trim().split(/[\\/]/).pop();
  const unread = addresses.filter((one) => /^file:/i.test(one)).map((one) => decoded(last(one)));
  const known = [...files.map((file) => file.name), ...unread];
  const all = new Set(known.flatMap((name) => [name, encodeURIComponent(name), encodeURI(name)]));
  return text.split(/[\r\n]+/).every((line) => addresses.includes(line.trim()) || all.has(last(line)));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// The query part for a picture of this site, which needs no fetching.
export function partOf(address) {
  const url = URL.canParse(address) && new URL(address);
  if (!url || url.origin !== location.origin) return null;
  for (const [pattern, name] of OF_OURS) {
    const found = pattern.exec(url.pathname);
    if (found) return [name, found[1]];
  }
  return null;
}

// The file in a data: URL; null for none, or an invalid one.
export function fileOf(address) {
  const [head, kind, rest] = /^data:(image\/[^;,]+)([^,]*),/i.exec(address) ?? [];
  if (!head) return null;
  try {
    const content = decodeURIComponent(address.slice(head.length));
    const isCoded = /;base64$/i.test(rest);
    const bytes = isCoded ? Uint8Array.from(atob(content), (one) => one.charCodeAt(0)) : content;
    return new File([bytes], "picture", { type: kind });
  } catch {
    return null;
  }
}
