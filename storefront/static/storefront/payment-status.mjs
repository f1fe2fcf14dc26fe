// The same for `import`: import { watchPayment } from './payment-status.mjs'
import './payment-status.js';

export const watchPayment = globalThis.watchPayment;
