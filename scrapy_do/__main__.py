"""`python -m scrapy_do` is the command `scrapy-do`."""

from scrapy_do.client.main import main

if __name__ == "__main__":
    main()
