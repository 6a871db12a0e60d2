# One image for every role: web, worker, beat and the one-shot set-up. Which one is the command's choice.
FROM python:3.13-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/run.txt /tmp/run.txt
RUN python -m venv /venv && /venv/bin/pip install --require-hashes --requirement /tmp/run.txt

FROM python:3.13-slim-bookworm
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data HOST=0.0.0.0
RUN useradd --system --uid 10001 --home-dir /app chatsite && install --directory --owner chatsite /data
COPY --from=build /venv /venv
WORKDIR /app
COPY . .
# Static files belong to the image: hashed, compressed, and the same for every process that is made from it.
RUN STATIC_ROOT=/app/collected python manage.py collectstatic --noinput --verbosity 0
ENV STATIC_ROOT=/app/collected
USER chatsite
EXPOSE 8000
CMD ["python", "-m", "chatsite.server"]
