// The page where the API is tried: Swagger UI, with the session of the person and the CSRF token that it asks for.

const place = document.getElementById("api");
const token = document.querySelector("input[name=csrfmiddlewaretoken]").value;

window.SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (new URL(request.url, document.baseURI).origin === location.origin) request.headers["X-CSRFToken"] = token;
    return request;
  },
});
