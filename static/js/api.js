// The API's documentation page: Swagger UI, with the user's session and CSRF token.

const place = document.getElementById("api");
const token = document.querySelector("input[name=csrfmiddlewaretoken]").value;
const dark = matchMedia("(prefers-color-scheme: dark)");

// Swagger UI's dark theme is switched by this class.
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// Accessibility fixes that Swagger UI lacks.
function complete() {
  for (const table of place.querySelectorAll("table[role=region]")) table.removeAttribute("role");
  for (const row of place.querySelectorAll("tr[data-param-name]")) {
    for (const field of row.querySelectorAll("select:not([aria-label])")) field.ariaLabel = row.dataset.paramName;
  }
  for (const code of place.querySelectorAll("pre:not([tabindex])")) code.tabIndex = 0;
  for (const button of place.querySelectorAll(".close-modal:not([aria-label])")) button.ariaLabel = "Close";
  for (const button of place.querySelectorAll(".copy-to-clipboard button:not([aria-label])")) button.ariaLabel = "Copy";
}
new MutationObserver(complete).observe(place, { childList: true, subtree: true });

window.SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  // Our own page has this information, in the user's language.
  plugins: [{ wrapComponents: { InfoContainer: () => () => null } }],
  deepLinking: false,
  defaultModelsExpandDepth: -1,
  syntaxHighlight: false,
  validatorUrl: null,
  requestInterceptor: (request) => {
    const ours = new URL(request.url, document.baseURI).origin === location.origin;
    if (ours && request.method !== "GET") request.headers["X-CSRFToken"] = token;
    return request;
  },
});
