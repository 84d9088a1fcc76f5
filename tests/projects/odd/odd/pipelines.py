class Good:
    def process_item(self, item):
        return item


class Last(Good):
    pass


class Forgetful:
    """Has no `return item`."""

    def process_item(self, item):
        if item and "keep" in item:
            return item


class AsyncForgetful:
    async def process_item(self, item):
        return item if item and "keep" in item else None


class Counting:
    def process_item(self, item):
        return len(item)
