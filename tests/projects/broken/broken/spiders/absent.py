"""Cannot be imported."""

print("on the way")

import no_such_module_anywhere
