"""How a crawl comes to life: launchers start crawls, find them again and end them."""
