"""Credits: wallets, holds, transfers, prices, usage."""
