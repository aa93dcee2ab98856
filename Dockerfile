# One image for the site and its worker; see "Containers" in docs/operations.md.
# BASE is any image with Python 3.11 or newer and its venv module.
ARG BASE=python:3.13-slim
FROM ${BASE}

ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ENV_FILE=/dev/null \
    STATIC_ROOT=/app/static-collected \
    HOST=0.0.0.0 \
    PORT=8000

RUN useradd --system --uid 10001 --no-create-home ip-admin
WORKDIR /app
COPY requirements.txt ./
RUN python3 -m venv .venv && pip install --no-cache-dir --disable-pip-version-check -r requirements.txt
COPY . ./
# var holds the SQLite database; with PostgreSQL it stays empty.
RUN python manage.py collectstatic --no-input -v 0 \
    && python -m compileall -q config ipadmin \
    && install -d -o ip-admin -m 0700 var
VOLUME /app/var
USER 10001
EXPOSE 8000
# The root file system may be read-only: only /app/var and /tmp are written to.
HEALTHCHECK --start-period=30s CMD ["python", "scripts/healthcheck.py"]
CMD ["gunicorn", "-c", "python:config.gunicorn", "config.wsgi"]
