ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /source
# The environment carries no pip of its own: the base image's installs into it and stays behind.
RUN python -m venv --without-pip /opt/ner-service
# The dependencies come first, in a layer that a change of code does not invalidate.
COPY constraints.txt pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > requirements.txt \
    && python -m pip --python /opt/ner-service/bin/python install --no-cache-dir --constraint constraints.txt --requirement requirements.txt
COPY . .
RUN python -m pip --python /opt/ner-service/bin/python install --no-cache-dir --no-deps .

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="ner-service" \
      org.opencontainers.image.description="Named entity recognition: a BiLSTM-CRF tagger served over REST" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/ner-service /opt/ner-service
# Nothing is written at run time, so the root file system can be mounted read-only.
ENV PATH=/opt/ner-service/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8000, timeout=2); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["ner-service"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
