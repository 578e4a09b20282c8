// The page that was asked for is tried again as soon as there is a connection.

window.addEventListener("online", () => location.reload());
