# Scrapy Do from its wheel: make dist, then docker build -t scrapy-do .
# How to use it: docs/how-to/docker.md.
FROM python:3.13-slim

COPY dist/scrapy_do-*.whl /tmp/
RUN pip install --no-cache-dir /tmp/scrapy_do-*.whl \
    && rm /tmp/scrapy_do-*.whl \
    && useradd --system --uid 7654 --home-dir /var/lib/scrapy-do --create-home scrapy-do

USER 7654
WORKDIR /var/lib/scrapy-do
VOLUME /var/lib/scrapy-do

ENV SCRAPY_DO_WEB_INTERFACES=0.0.0.0:7654 \
    SCRAPY_DO_WEB_AUTH=on \
    SCRAPY_DO_WEB_AUTH_DB=/var/lib/scrapy-do/auth.db
EXPOSE 7654
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7654/healthz', timeout=4)"]

CMD ["scrapy-do", "serve", "--data-dir", "/var/lib/scrapy-do/data"]
