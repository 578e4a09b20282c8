// The page where the API is tried: Swagger UI, with the session of the person and the CSRF token that it asks for.

const place = document.getElementById("api");
const token = document.querySelector("input[name=csrfmiddlewaretoken]").value;
const dark = matchMedia("(prefers-color-scheme: dark)");

// Swagger UI knows its dark colours by this name alone.
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

window.SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  defaultModelsExpandDepth: -1,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (new URL(request.url, document.baseURI).origin === location.origin) request.headers["X-CSRFToken"] = token;
    return request;
  },
});
