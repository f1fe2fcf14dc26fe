// Watches a cart's payment on the pending page and moves on when it is decided.
// The page works without it: <noscript> reloads it, and the server then redirects.
(() => {
  'use strict';

  const main = document.querySelector('main[data-cart-id]');
  const live = document.getElementById('payment-state');
  if (!main || !live) return;

  const cartId = main.dataset.cartId;
  const FAILED = ['FAILED', 'EXPIRED', 'CANCELLED'];
  let wait = 2000; // grows to 10 s: a phone in a pocket need not ask often

  const say = (text) => {
    if (live.textContent !== text) live.textContent = text; // a screen reader hears changes only
  };

  const again = (ms) => setTimeout(checkPaymentStatus, ms);

  const checkPaymentStatus = async () => {
    try {
      const response = await fetch(`/api/payments/cart/${cartId}/status/`, { cache: 'no-store' });
      if (response.status === 404) {
        // A signed-in customer's cart, opened in another browser: the page itself may know more.
        setTimeout(() => location.reload(), 5000);
        return;
      }
      if (!response.ok) throw new Error(`status ${response.status}`);
      decide((await response.json()).data);
    } catch {
      say('We cannot reach our server from here just now. We try again; your payment is not affected.');
      again(5000);
    }
  };

  const decide = (data) => {
    if (data.payment_status === 'SUCCESS' && data.booking_id) {
      say('Booked. One moment …');
      location.replace(`/booking-success/${data.booking_id}`);
    } else if (data.payment_status === 'SUCCESS') {
      // Paid, and not booked (yet): the server knows whether to wait or to tell of a refund.
      say('Your payment has arrived. We are making your booking.');
      setTimeout(() => location.reload(), 3000);
    } else if (FAILED.includes(data.payment_status)) {
      location.replace(`/payment-failed/${cartId}`);
    } else {
      say('PhonePe has not told us yet whether the payment went through. We keep asking.');
      wait = Math.min(wait * 1.2, 10000);
      again(wait);
    }
  };

  // A phone that wakes up should not wait for a timer that slept.
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') wait = 2000;
  });
  again(1000);
})();
