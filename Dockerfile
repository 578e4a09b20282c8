# syntax=docker/dockerfile:1
# The web process: `docker build -t imagesearch .`; compose.yaml runs it with a database and an object storage.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app

# torch first and alone: installed with the others it would bring CUDA packages to machines that have no GPU.
# For a machine that has one, name the index of a CUDA build instead:
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 -t imagesearch .
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements.txt requirements.lock ./
RUN pip install "$(grep '^torch==' requirements.txt)" --index-url "$TORCH_INDEX"
RUN pip install --no-deps --require-hashes --requirement requirements.lock && pip check

COPY . .

# Static files are part of the image: /app/var/static. Settings want a database and a key by name; neither is used.
# What a running container writes lies in folders of its own, so that no volume hides the static files: pictures, the
# models compiled for its processor, the downloaded ones, a database where none is configured, its home, and /tmp.
RUN DEBUG=off SECRET_KEY=unused DATABASE_URL=postgres://unused@unused/unused \
        python manage.py collectstatic --noinput --verbosity 0 \
    && useradd --uid 10001 --create-home imagesearch \
    && mkdir --parents var/media var/models var/postgres /models \
    && chown imagesearch: var var/media var/models var/postgres /models

# HF_HOME is where the models are cached, and /app/var/models where they are compiled for the machine: keep both
# volumes, or each new container downloads and compiles them again.
ENV DEBUG=off HOST=0.0.0.0 PORT=8000 HF_HOME=/models
USER imagesearch
VOLUME ["/app/var/media", "/app/var/models", "/app/var/postgres", "/models"]
EXPOSE 8000

HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; \
r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]

# Migrations are a step of their own, asked for: `docker run ... imagesearch python manage.py migrate`.
CMD ["gunicorn", "--worker-tmp-dir", "/dev/shm", "imagesearch.wsgi"]
