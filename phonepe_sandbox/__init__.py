"""A pretend PhonePe: an emulator of the Payment Gateway v2 Standard Checkout HTTP API.

It runs as a process of its own and imports nothing of the shop or of its client, so that it can
bear witness against both. Section marks (§) in this package point into docs of the wire format.
"""
