"""The requests that a fake receives, the callbacks that it sends, and its faults."""
