"""The local cloud: moto in a process of our own, with what it lacks added one service at a time."""
