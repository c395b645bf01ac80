"""The server: the only IO and the only asyncio of Caxton."""
