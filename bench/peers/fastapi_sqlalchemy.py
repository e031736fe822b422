"""FastAPI, SQLAlchemy 2 async ORM and Pydantic. DATABASE_URL and JWT_KEY come from the environment."""

import os
from datetime import datetime

import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict, field_serializer
from pydantic.alias_generators import to_camel
from sqlalchemy import BigInteger, DateTime, ForeignKey, func, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, joinedload, mapped_column, relationship

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=4
)
Session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True), int: BigInteger}


class Integration(Base):
    __tablename__ = "integration"
    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id"))


class Log(Base):
    __tablename__ = "log"
    id: Mapped[int] = mapped_column(primary_key=True)
    creation_date: Mapped[datetime]
    status: Mapped[int]
    description: Mapped[str]
    error: Mapped[str | None]
    app_id: Mapped[int | None]
    integration_id: Mapped[int | None]
    workflow_id: Mapped[int | None]
    task_id: Mapped[int | None]
    time: Mapped[float | None]


class Connection(Base):
    __tablename__ = "connection"
    id: Mapped[int] = mapped_column(primary_key=True)
    app_id: Mapped[int | None]
    name: Mapped[str]
    url: Mapped[str]
    password: Mapped[str]
    token: Mapped[str]
    is_testable: Mapped[bool]
    authentication: Mapped[str]
    type: Mapped[str]
    username: Mapped[str]
    status: Mapped[int]
    latest_connection: Mapped[datetime | None]
    creation_date: Mapped[datetime]
    latest_log_id: Mapped[int | None] = mapped_column(ForeignKey("log.id"))
    last_check: Mapped[datetime | None]
    latest_log: Mapped[Log | None] = relationship()

    @property
    def password_exists(self):
        return bool(self.password)

    @property
    def token_exists(self):
        return bool(self.token)


Connection.integration_count = column_property(
    select(func.count(Integration.id))
    .where(Integration.connection_id == Connection.id)
    .correlate_except(Integration)
    .scalar_subquery()
)


class Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, alias_generator=to_camel, populate_by_name=True)

    @field_serializer("creation_date", "latest_connection", "last_check", check_fields=False)
    def write_date(self, moment: datetime | None):
        return moment and moment.replace(tzinfo=None).isoformat(timespec="microseconds")


class LogAnswer(Answer):
    id: int
    creation_date: datetime
    status: int
    description: str
    error: str | None
    app_id: int | None
    integration_id: int | None
    workflow_id: int | None
    task_id: int | None
    time: float | None


class ConnectionAnswer(Answer):
    id: int
    app_id: int | None
    name: str
    url: str
    password_exists: bool
    token_exists: bool
    is_testable: bool
    authentication: str
    type: str
    username: str
    status: int
    latest_connection: datetime | None
    creation_date: datetime
    latest_log: LogAnswer | None
    integration_count: int
    last_check: datetime | None


async def user(request: Request):
    try:
        return jwt.decode(
            request.headers["authorization"].removeprefix("Bearer "),
            os.environ["JWT_KEY"],
            algorithms=["HS256"],
        )
    except (KeyError, jwt.InvalidTokenError) as error:
        raise HTTPException(401) from error


app = FastAPI()
QUERY = select(Connection).options(joinedload(Connection.latest_log)).order_by(Connection.id)


@app.get("/api/connections", response_model=list[ConnectionAnswer], dependencies=[Depends(user)])
async def connections(limit: int = 1000, offset: int = 0):
    async with Session() as session:
        return (await session.scalars(QUERY.limit(limit).offset(offset))).all()


@app.get("/api/connections/{id}", response_model=ConnectionAnswer, dependencies=[Depends(user)])
async def connection(id: int):
    async with Session() as session:
        found = await session.scalar(QUERY.where(Connection.id == id))
    if found is None:
        raise HTTPException(404)
    return found
