# One image, a command per service: `docker run IMAGE services.router`.
# Runs as nobody in particular, on a root that may be read-only; ingest's spool wants a volume.

FROM python:3.13-slim AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
COPY pyproject.toml requirements.lock LICENSE ./
# uv comes by pip from the lock; then only what runs in production, each file by its hash.
RUN awk '/^[^ ]/ {wanted = /^uv==/} wanted' requirements.lock > uv.lock \
 && pip install --no-cache-dir --require-hashes --requirement uv.lock \
 && uv venv /hub \
 && uv pip install --no-cache --python /hub/bin/python \
      --require-hashes --requirements pyproject.toml --constraints requirements.lock
COPY schemas schemas
COPY services services
# The builder of our own distribution is pinned by hash as well, and stays out of the image.
RUN uv venv /builder \
 && awk '/^[^ ]/ {wanted = /^(hatchling|packaging|pathspec|pluggy|trove-classifiers|tomlkit)==/} wanted' \
      requirements.lock > builder.lock \
 && uv pip install --no-cache --python /builder/bin/python --require-hashes --requirements builder.lock \
 && /builder/bin/python -m hatchling build -t wheel -d /build/dist \
 && uv pip install --no-cache --python /hub/bin/python --no-deps dist/*.whl

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Berichtenhub" \
      org.opencontainers.image.licenses="EUPL-1.2"
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin hub
COPY --from=build /hub /hub
ENV PATH=/hub/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m"]
CMD ["services.ingest"]
