"""The stand-ins for the vendors' APIs, laid out like the clients that speak to them."""
