// Types of payment-status.js, for use by <script src>. payment-status.mjs has the same in payment-status.d.mts.
type PaymentStatus = import('./payment-status.mjs').PaymentStatus;
type PaymentWatchers = import('./payment-status.mjs').PaymentWatchers;

declare function watchPayment(cartId: string, on?: PaymentWatchers): () => void;
