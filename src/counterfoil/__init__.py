"""Counterfoil: invoices in, checked data out, and a manifest that loses nothing."""
