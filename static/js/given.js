// What a drop or a paste brings: words, files, or pictures that have an address only.

const OF_OURS = [
  [/\/images\/([-0-9a-f]{36})\//i, "like"],
  [/\/search\/picture\/([-0-9a-f]{36})\.webp$/i, "picture"],
];

// Reads it all at once: after the event nothing of it can be read any more. Where there are words, they are what is
// meant: Word and Excel put a picture of what was copied beside them.
export function readGiven(data) {
  // Not as a page of its own, whose styles our security policy would complain of.
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

// File managers give the names or paths of files as text beside them, browsers the address of what is dragged.
function names(text, files, addresses) {
  if (addresses.includes(text)) return true;
  const last = (line) => line.trim().split(/[\\/]/).pop();
  const known = new Set(files.flatMap((file) => [file.name, encodeURIComponent(file.name), encodeURI(file.name)]));
  return text.split(/[\r\n]+/).every((line) => known.has(last(line)));
}

// The part of a search that stands for a picture of this site: nothing need be fetched to know what it shows.
export function partOf(address) {
  const url = URL.canParse(address) && new URL(address);
  if (!url || url.origin !== location.origin) return null;
  for (const [pattern, name] of OF_OURS) {
    const found = pattern.exec(url.pathname);
    if (found) return [name, found[1]];
  }
  return null;
}

// A picture that is written out in its address (data:); null where it is none, or can't be read.
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
