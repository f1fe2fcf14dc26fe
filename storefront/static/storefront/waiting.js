// The waiting page: says what watchPayment hears, and moves on. Without JavaScript <noscript> reloads the page.
(() => {
  'use strict';
  const main = document.querySelector('main[data-cart-id]');
  const live = document.getElementById('payment-state');
  if (!main || !live) return;

  const { cartId, paid, again } = main.dataset;
  const waiting = live.textContent;
  const say = (text) => {
    if (live.textContent !== text) live.textContent = text; // a screen reader hears changes only
  };
  const reloadIn = (seconds) => setTimeout(() => location.reload(), seconds * 1000);

  watchPayment(cartId, {
    onSuccess: ({ booking_id }) => {
      say(live.dataset.booked);
      location.replace(`/booking-success/${booking_id}`);
    },
    onFailed: () => location.replace(`/payment-failed/${cartId}`),
    onPending: ({ payment_status }) => {
      if (payment_status !== 'SUCCESS' || paid) return say(waiting);
      say(live.dataset.paid);
      reloadIn(1); // the server knows whether it is being booked or goes back
    },
    onTrouble: ({ status }) => {
      // 404: a signed-in customer's cart in another browser. The page itself may know more.
      if (status === 404) reloadIn(5);
      else say(live.dataset.offline);
    },
  });
  if (paid) reloadIn(again);
})();
