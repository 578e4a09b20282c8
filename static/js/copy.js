// Copies text and links to the clipboard.

// Returns whether it succeeded. Over plain http browsers have only the older API.
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelecting(text);
  }
}

// Copies the address that a button has, and reports it on the button.
export async function copyLink(button) {
  const isCopied = await copyText(new URL(button.dataset.address, location.href).href);
  button.querySelector("span").textContent = isCopied ? button.dataset.copied : button.dataset.notCopied;
}

function copyBySelecting(text) {
  const focused = document.activeElement;
  const carrier = document.createElement("textarea");
  carrier.value = text;
  carrier.className = "visually-hidden";
  document.body.append(carrier);
  carrier.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    carrier.remove();
    focused?.focus();
  }
}
