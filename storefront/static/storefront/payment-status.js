// Watches a cart's payment; payment-status.d.mts says what goes in and out, payment-status.mjs is for `import`.
(() => {
  'use strict';
  const FAILED = ['FAILED', 'EXPIRED', 'CANCELLED'];
  const SOON = 2000, SELDOM = 30000;
  const WAKING = ['online', 'pageshow', 'visibilitychange'];

  globalThis.watchPayment = (cartId, on = {}) => {
    const url = `${on.base || ''}/api/payments/cart/${encodeURIComponent(cartId)}/`;
    let stream, heard, timer, last, asking, done, pause = SOON;

    const tell = (status) => {
      const text = JSON.stringify(status);
      if (done || text === last) return;
      last = text;
      pause = SOON;
      const state = status.payment_status;
      const how = FAILED.includes(state) ? 'onFailed'
        : state === 'SUCCESS' && status.booking_id ? 'onSuccess' : 'onPending';
      if (how !== 'onPending') stop();
      on.onChange?.(status);
      on[how]?.(status);
    };

    const hangUp = () => {
      stream?.close();
      stream = heard = null;
    };

    const look = (ms, next) => {
      clearTimeout(timer);
      if (!done) timer = setTimeout(next, ms);
    };

    const stop = () => {
      done = true;
      hangUp();
      clearTimeout(timer);
      for (const name of WAKING) globalThis.removeEventListener?.(name, wake, true);
    };

    const ask = async () => {
      if (asking || done) return;
      asking = true;
      const limit = new AbortController();
      const late = setTimeout(() => limit.abort(), 10000);
      try {
        const answer = await fetch(`${url}status/`, { cache: 'no-store', signal: limit.signal });
        if (!answer.ok) throw Object.assign(new Error(`HTTP ${answer.status}`), { status: answer.status });
        tell((await answer.json()).data);
      } catch (error) {
        if (!done) {
          last = ''; // the next status is told whatever it is: the trouble is over then
          if (error.status === 404) stop();
          on.onTrouble?.(error);
        }
      }
      clearTimeout(late);
      asking = false;
      look(heard ? SELDOM : pause, stream ? ask : listen);
      pause = Math.min(pause * 1.5, SELDOM);
    };

    const listen = () => {
      hangUp();
      if (typeof EventSource !== 'function') return ask();
      const mine = stream = new EventSource(`${url}events/`);
      mine.onmessage = (event) => {
        heard = true;
        look(SELDOM, ask); // a stream that hangs looks like one with nothing to say
        tell(JSON.parse(event.data));
      };
      mine.onerror = () => {
        if (mine !== stream) return;
        hangUp();
        ask();
      };
      look(5000, ask); // a proxy may hold the stream back
    };

    const wake = (event) => {
      if (event.type === 'pageshow' ? !event.persisted : globalThis.document?.hidden) return;
      pause = SOON;
      listen();
    };

    for (const name of WAKING) globalThis.addEventListener?.(name, wake, true);
    listen();
    return stop;
  };
})();
