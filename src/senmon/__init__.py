"""senmon: domain chatbots that can be trusted in their domain."""

__version__ = "0.1.0"
