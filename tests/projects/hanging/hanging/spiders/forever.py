"""Never finishes its import."""

import time

print("waiting for ever", flush=True)
time.sleep(600)
