// The service worker of the installed site. SITE, which the server prepends, says what to cache: the offline page with
// its files. No other page is ever cached: pages may be private.

const KEPT = `${SITE.scope}|${SITE.version}`;
const SHARED = `${SITE.scope}|shared`;

self.addEventListener("install", (event) => event.waitUntil(keep()));
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== location.origin) return;
  if (request.method === "POST" && pathname === SITE.share) event.respondWith(takeShared(request));
  if (request.method !== "GET") return;
  if (request.mode === "navigate") event.respondWith(page(event, pathname));
  else if (SITE.files.includes(pathname)) event.respondWith(file(request));
});

async function keep() {
  const cache = await caches.open(KEPT);
  await cache.addAll([...SITE.files, SITE.offline].map((address) => new Request(address, { cache: "no-cache" })));
  await self.skipWaiting();
}

// Removes caches of older versions; other sites on this origin, above or below our path, have names of their own.
async function takeOver() {
  const names = await caches.keys();
  const stale = names.filter((name) => name.startsWith(`${SITE.scope}|`) && ![KEPT, SHARED].includes(name));
  await Promise.all(stale.map((name) => caches.delete(name)));
  // Request pages while the worker starts.
  await self.registration.navigationPreload?.enable();
  await self.clients.claim();
}

async function page(event, pathname) {
  // A shared picture is kept for its page, also across a login.
  if (pathname !== SITE.share && !pathname.startsWith(SITE.accounts)) event.waitUntil(caches.delete(SHARED));
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    return (await kept(SITE.offline)) ?? Response.error();
  }
}

async function file(request) {
  try {
    return await fetch(request);
  } catch {
    return (await kept(request)) ?? Response.error();
  }
}

async function kept(request) {
  const cache = await caches.open(KEPT);
  return cache.match(request, { ignoreVary: true });
}

// The picture stays on this device until the user sends it by a form of the page.
async function takeShared(request) {
  try {
    const form = await request.formData();
    const files = form.getAll("picture").filter((one) => one instanceof File && one.size);
    await caches.delete(SHARED);
    const cache = await caches.open(SHARED);
    for (const [number, one] of files.entries()) {
      const headers = { "Content-Type": one.type, "X-Name": encodeURIComponent(one.name) };
      await cache.put(`${SITE.share}?file=${number}`, new Response(one, { headers }));
    }
  } catch {
    // The page says that nothing arrived.
  }
  return Response.redirect(SITE.share, 303);
}
