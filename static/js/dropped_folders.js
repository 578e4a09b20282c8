// Pictures in chosen or dropped folders; other files are ignored.

// The pictures of a dropped folder and its subfolders. A reader returns 100 entries at a time.
export async function picturesIn(folder, accepted) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const entries = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!entries.length) return found;
    for (const entry of entries.filter(({ name }) => !name.startsWith("."))) {
      if (entry.isDirectory) found.push(...(await picturesIn(entry, accepted)));
      else found.push(...(await pictureIn(entry, accepted)));
    }
  }
}

async function pictureIn(entry, accepted) {
  const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
  return file && isPicture(file, accepted) ? [file] : [];
}

// The pictures of a chosen folder, which the browser lists recursively.
export function picturesOf(files, accepted) {
  const isHidden = ({ webkitRelativePath: path }) => path.split("/").some((name) => name.startsWith("."));
  return [...files].filter((file) => isPicture(file, accepted) && !isHidden(file));
}

// By name too: many systems know no MIME type for newer formats and RAW.
function isPicture(file, accepted) {
  const kinds = accepted.split(",");
  return kinds.includes(file.type) || kinds.some((end) => file.name.toLowerCase().endsWith(end));
}
