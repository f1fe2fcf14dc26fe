// Reads the page again every ten seconds while somebody looks at it. Without scripts, <noscript> reloads it.
(() => {
  'use strict';

  const EVERY_MS = 10000;
  const live = document.getElementById('live');
  const heard = document.getElementById('heard');
  if (!live || !heard) return;

  const refresh = async () => {
    if (document.visibilityState !== 'visible') return;
    try {
      const answer = await fetch(location.href, { cache: 'no-store', redirect: 'manual' });
      if (answer.type === 'opaqueredirect' || answer.status === 403) {
        location.reload(); // signed out meanwhile
        return;
      }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = page.getElementById('live');
      if (!fresh) throw new Error('not this page');
      live.replaceChildren(...fresh.childNodes);
      heard.textContent = page.getElementById('heard').textContent;
    } catch {
      heard.textContent = 'The server cannot be reached: these figures are old. Trying again …';
    }
  };

  setInterval(refresh, EVERY_MS);
  document.addEventListener('visibilitychange', refresh);
})();
