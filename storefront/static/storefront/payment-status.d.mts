/** The answer of GET /api/payments/cart/{cart_id}/status/ and each event of …/events/. */
export interface PaymentStatus {
  cart_id: string;
  /** PENDING: being created at PhonePe. INITIATED: waiting for the customer. */
  payment_status: 'PENDING' | 'INITIATED' | 'SUCCESS' | 'FAILED' | 'CANCELLED' | 'EXPIRED';
  /** Rupees, "1499.00". */
  payment_amount: string;
  merchant_order_id: string;
  booking_created: boolean;
  booking_id: string | null;
  cart_status: string;
  /** ISO 8601. */
  payment_created_at: string;
  payment_completed_at: string | null;
  auto_verified: boolean;
}

export interface PaymentWatchers {
  /** Where the API is, without a slash at its end; the page's own origin when omitted. */
  base?: string;
  /** Whatever has changed. Called before the one of the three below that fits. */
  onChange?(status: PaymentStatus): void;
  /** Not decided yet. SUCCESS without a booking_id: paid, and being booked or refunded. */
  onPending?(status: PaymentStatus): void;
  /** Paid and booked. The last call. */
  onSuccess?(status: PaymentStatus & { payment_status: 'SUCCESS'; booking_id: string }): void;
  /** FAILED, EXPIRED or CANCELLED. The last call. */
  onFailed?(status: PaymentStatus): void;
  /** The server cannot be reached; the watch goes on by itself, except when `status` is 404: there is no such payment. */
  onTrouble?(error: Error & { status?: number }): void;
}

/** Watch a cart's payment until it is decided. Returns a function that ends the watch. */
export declare function watchPayment(cartId: string, on?: PaymentWatchers): () => void;
