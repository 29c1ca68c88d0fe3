# The image of api, worker and migrate: the wheel and what uv.lock names for it, no more. No compiler, no uv, no
# development tools and nothing of devcluster is in the last stage; it runs as nobody in particular.

FROM python:3.11-slim AS build
WORKDIR /build
COPY pyproject.toml uv.lock ./
RUN version=$(sed -n '/^name = "uv"$/{n;s/version = "\(.*\)"/\1/p;}' uv.lock) \
    && pip install --no-cache-dir "uv==$version" \
    && uv export --frozen --no-dev --no-emit-project --output-file requirements.txt \
    && uv venv /opt/wharfinger \
    && uv pip install --no-cache --python /opt/wharfinger/bin/python --require-hashes -r requirements.txt
COPY README.md LICENSE ./
COPY migrations ./migrations
COPY service ./service
RUN uv build --wheel --out-dir dist \
    && uv pip install --no-cache --python /opt/wharfinger/bin/python --no-deps dist/*.whl

FROM python:3.11-slim AS wharfinger
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin wharfinger
COPY --from=build /opt/wharfinger /opt/wharfinger
ENV PATH=/opt/wharfinger/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["wharfinger"]
CMD ["--help"]
